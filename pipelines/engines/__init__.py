"""Two seams, `backend` (builds) and `runtime` (answers), and a folder for each tool behind them."""
