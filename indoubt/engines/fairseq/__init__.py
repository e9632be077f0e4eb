"""Engine `fairseq`: fairseq's own models, batches, optimizer and search in our own loop; it defines what is correct."""
