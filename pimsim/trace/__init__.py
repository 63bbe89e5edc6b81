"""What can be seen of a run command by command: logs, timelines and what held commands back, over a window of steps."""
