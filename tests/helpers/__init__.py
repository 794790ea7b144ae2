"""What tests of several folders or files share."""
