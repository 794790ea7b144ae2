"""What `fit` needs beside Keras: batches in an order to resume, checks, and callbacks."""
