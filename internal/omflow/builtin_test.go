package omflow

// builtInTable is the table of OMFLOW 1.1.0.0. Tests don't change it.
var builtInTable = DefaultTable()
