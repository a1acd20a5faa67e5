"""What is asked before the window closes: trainings, endpoints, unsaved steps."""
