package embed

// PutFact is what stores call inside their transactions.
var PutFact = putFact
