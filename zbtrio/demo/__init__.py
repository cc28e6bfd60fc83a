"""The order process: what `zbtrio demo` runs, to see zbtrio at work and to measure it."""
