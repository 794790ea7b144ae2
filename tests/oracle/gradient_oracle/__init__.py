"""An independent witness of training: what each optimizer should have been handed, and was."""
