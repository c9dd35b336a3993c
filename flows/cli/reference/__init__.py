"""The reference page, made of commands and schemas."""
