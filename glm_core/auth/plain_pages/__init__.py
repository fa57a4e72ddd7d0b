"""HTML pages outside Streamlit: sign-in, sign-out, the first administrator, the connection check."""
