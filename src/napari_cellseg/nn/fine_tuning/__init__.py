"""From corrections to a better model, or to the advice to keep the old one."""
