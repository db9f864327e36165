package redis

// OpenThrough is Open on connections that dial makes.
var OpenThrough = open
