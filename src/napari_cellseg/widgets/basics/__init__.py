"""Parts that every tab is made of: words, fields, buttons, the foot, jobs."""
