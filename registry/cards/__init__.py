"""Model cards of registered versions, in the form that the Hugging Face hub reads, and publishing them."""
