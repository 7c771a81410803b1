"""neon's helpers around a training: arguments of scripts, files, folders."""
