"""The recipes that ship with medvlm, one YAML file each."""
