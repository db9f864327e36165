package web

// UnmarshalStrict is how bodies are read.
var UnmarshalStrict = unmarshalStrict
