"""Reading YAML: values with their lines, problems, durations and other fields that files share."""
