package transcode

// AudioChunks is audioChunks.
var AudioChunks = audioChunks
