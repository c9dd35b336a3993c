"""What will break, said before a variant is asked, from what the store's earlier builds showed."""
