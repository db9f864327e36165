package embed

// PartitionOf is where a key's messages go.
var PartitionOf = partitionOf
