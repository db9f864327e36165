package sandbox_test

import (
	"os"
	"testing"

	"github.com/weirstream/weir/transcode/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Child()
	os.Exit(m.Run())
}
