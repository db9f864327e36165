// Package deps5 holds the versions of libraries until they are used.
package deps5

import (
	_ "github.com/HdrHistogram/hdrhistogram-go"
	_ "github.com/dunglas/httpsfv"
	_ "github.com/fxamacker/cbor/v2"
	_ "github.com/go-jose/go-jose/v4"
	_ "github.com/oschwald/maxminddb-golang/v2"
	_ "github.com/veraison/go-cose"
)
