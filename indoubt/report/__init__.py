"""What a run says to people: tables and figures go in; the page, the terminal's summary, a comparison come out."""
