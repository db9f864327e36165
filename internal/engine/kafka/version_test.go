package kafka_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// version asks a broker which metadata version its cluster has finalized. Brokers do not tell their own version, and
// kafka-go does not read the features that come with the answer of ApiVersions from its version 3 on (KIP-584).
func version(t testing.TB, host string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	request := []byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 4, 't', 'e', 's', 't', 0, 5, 't', 'e', 's', 't', 2, '1', 0} // ApiVersions 3 of client "test"
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		t.Fatal(err)
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint32(size[:])&0xffff)
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	// A finalized feature is its compact name, then the highest and the lowest level; it comes after the supported ones.
	name := append([]byte{byte(len("metadata.version") + 1)}, "metadata.version"...)
	at := bytes.LastIndex(answer, name)
	if at < 0 || at+len(name)+2 > len(answer) {
		t.Fatalf("the broker does not say its metadata.version: % x", answer)
	}
	level := binary.BigEndian.Uint16(answer[at+len(name):])
	releases := map[uint16]string{21: "3.9", 25: "4.0", 27: "4.1", 33: "4.4"} // of org.apache.kafka.server.common.MetadataVersion
	if release, ok := releases[level]; ok {
		return release
	}
	return fmt.Sprintf("metadata.version %d", level)
}
