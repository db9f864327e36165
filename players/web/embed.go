// Package web is the player's pages as files in the binary: index.html, which serves every page of the viewer application
// (/, /watch/ASSET, /docs), and assets/, whose names carry a hash of their bytes and so never change. It is no handler: who
// serves the files sets their caching and their Content-Security-Policy. Before `npm run build` the tree is empty.
package web

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// FS is the built tree, read-only, rooted where index.html is. Opening index.html gives fs.ErrNotExist in a binary that was
// built without the pages.
func FS() fs.FS {
	tree, err := fs.Sub(dist, "dist")
	if err != nil { // only an invalid path, and "dist" is one the compiler has checked
		panic(fmt.Errorf("web: open the embedded tree: %w", err))
	}
	return tree
}
