package keyring_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	weir "github.com/weirstream/weir"
	"github.com/weirstream/weir/internal/keyring"
)

func TestParseRootKey(t *testing.T) {
	want := make([]byte, 32)
	for i := range want {
		want[i] = byte(255 - i) // url and standard base64 differ in it
	}
	file := func(content string) string {
		name := filepath.Join(t.TempDir(), "root.key")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + name
	}
	f := func(given string) {
		t.Helper()
		if key, err := keyring.ParseRootKey(given); err != nil || !bytes.Equal(key[:], want) {
			t.Errorf("ParseRootKey(%q) = %x, %v", given, key[:], err)
		}
	}
	f(string(want))
	f(file(string(want)))
	for _, text := range []string{hex.EncodeToString(want), strings.ToUpper(hex.EncodeToString(want)),
		base64.StdEncoding.EncodeToString(want), base64.RawURLEncoding.EncodeToString(want)} {
		f(text)
		f(file(text))
		f(file(text + "\r\n"))
	}
	secret := "hunter2-hunter2-hunter2-hunter2-"
	for _, given := range []string{"", "@", "@" + filepath.Join(t.TempDir(), "missing"), file(""), secret, file(secret),
		hex.EncodeToString(want[:16]), hex.EncodeToString(want) + "00", strings.Repeat("0", 64), strings.Repeat("g", 64), string(want) + "x"} {
		key, err := keyring.ParseRootKey(given)
		if weir.KindOf(err) != weir.Invalid || key != (keyring.RootKey{}) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseRootKey(%q) = %x, %v, want Invalid", given, key[:], err)
		}
	}
}
