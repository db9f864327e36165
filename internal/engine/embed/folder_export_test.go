package embed

// OpenFolderWith opens a folder as a program with other format steps would.
var OpenFolderWith = openFolder
