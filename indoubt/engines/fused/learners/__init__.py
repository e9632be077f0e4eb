"""The fused learners: LSTM, CNN and Transformer as fairseq defines them, and the table that names them."""
