package embed

// OpenFolderInSteps opens a folder as a program with other format steps would.
var OpenFolderInSteps = openFolder
