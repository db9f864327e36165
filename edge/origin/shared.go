package origin

import (
	"context"
	"encoding/binary"
	"path"
	"time"

	weir "github.com/weirstream/weir"
)

// sharedLife is how long the shared cache keeps a page.
const sharedLife = time.Hour

// sharedKey names a page in the shared cache: bounded as object keys are, and the same for every viewer.
func sharedKey(key string) string { return "edge/page/" + key }

// sharedPage looks for a page in the shared cache. left is the time that storing it may take, none if the cache does not
// answer. An entry that is not the page, whole, is as good as none.
func (o *Origin) sharedPage(ctx context.Context, key string) (p weir.Page, ok bool, left time.Duration) {
	if o.Shared == nil {
		return weir.Page{}, false, 0
	}
	begun := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.SharedTimeout)
	defer cancel()
	sealed, found, err := o.Shared.Get(ctx, sharedKey(key))
	if err == nil && found && len(sealed) > 4 && binary.BigEndian.Uint32(sealed) == crc32c(sealed[4:]) {
		p, err := weir.ParsePage(sealed[4:])
		if err == nil && pageOf(key, p) {
			o.sharedHits.Add(1)
			return p, true, 0
		}
	}
	o.sharedMisses.Add(1)
	if err == nil {
		left = o.SharedTimeout - time.Since(begun)
	}
	return weir.Page{}, false, left
}

// sharePage stores a page that was read, for other edges. That it fails is no matter.
func (o *Origin) sharePage(ctx context.Context, key string, page []byte, left time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	sealed := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(page)), crc32c(page))
	_ = o.Shared.Set(ctx, sharedKey(key), append(sealed, page...), sharedLife)
}

// pageOf says whether p is of the chunk beside which key lies, with an init segment of the same rendition. A cache is not
// trusted to name other objects.
func pageOf(key string, p weir.Page) bool {
	return weir.PageKey(p.Object) == key && path.Dir(p.Init) == path.Dir(key)
}
