"""Sources of rules: the files of rules/, and what is generated from other parts of the catalog."""
