package cmcd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstream/weir/edge/cmcd"
)

// read reads payload as a record and shows what was read.
func read(payload string) string {
	var d cmcd.Data
	d.ReadRecord([]byte(payload))
	return show(&d)
}

func show(d *cmcd.Data) string {
	s := string(d.AppendJSON(nil))
	for _, n := range d.Next() {
		s += fmt.Sprintf(" next %q", n.Path)
		if n.Ranged {
			s += fmt.Sprintf(" %d to %d", n.First, n.Last)
		}
	}
	if d.Unknown+d.Refused+d.Newer > 0 {
		s += fmt.Sprintf(" unknown %d refused %d newer %d", d.Unknown, d.Refused, d.Newer)
	}
	return s
}

// TestExamples are the examples of CTA-5004-B section 8.1, and those of CTA-5004 section 5.
func TestExamples(t *testing.T) {
	f := func(payload, want string) {
		t.Helper()
		if got := read(payload); got != want {
			t.Errorf("ReadRecord(%s)\n= %s\nwant %s", payload, got, want)
		}
	}
	f(`bl=(2000),br=(3000;v),cid="content-id-123",d=4000,dl=1000,mtp=(15000),nor=("next-seg.mp4"),ot=v,rtp=12000,sf=d,sid="session-id-123",st=v,sta=p,tb=(6000;v),v=2`,
		`{"bl":2000,"br":3000,"cid":"content-id-123","d":4000,"dl":1000,"mtp":15000,"ot":"v","rtp":12000,"sf":"d","sid":"session-id-123","st":"v","sta":"p","tb":6000,"v":2} next "next-seg.mp4"`)
	f(`bl=(2000),br=(320),cid="content-id-123",d=2000,mtp=(15000),ot=a,sid="session-id-123",st=v,v=2`,
		`{"bl":2000,"br":320,"cid":"content-id-123","d":2000,"mtp":15000,"ot":"a","sid":"session-id-123","st":"v","v":2}`)
	f(`cid="content-id-123",ot=m,sf=d,sid="session-id-123",st=v,su,v=2`,
		`{"cid":"content-id-123","ot":"m","sf":"d","sid":"session-id-123","st":"v","su":true,"v":2}`)
	f(`bl=(0),br=(3000;v),mtp=(15000),nor=("seg-1.m4v" "seg-2.m4v"),ot=i,sid="s",sta=s,su,v=2`,
		`{"bl":0,"br":3000,"mtp":15000,"ot":"i","sid":"s","sta":"s","su":true,"v":2} next "seg-1.m4v" next "seg-2.m4v"`)
	f(`ec=("DRM_NOT_SUPPORTED" "PLAYBACK_FAILED"),sta=f,v=2`, `{"ec":"DRM_NOT_SUPPORTED","sta":"f","v":2}`)
	f(`bl=(0;v 2000;a),bs,ot=v,sta=r,v=2`, `{"bl":0,"bs":true,"ot":"v","sta":"r","v":2}`)
	f(`bl=(0;v 2000;a),ot=a,v=2`, `{"bl":2000,"ot":"a","v":2}`)
	f(`ot=a,bl=(0;v 2000;a),v=2`, `{"bl":2000,"ot":"a","v":2}`)
	f(`cid="ad-555",nr,ot=v,v=2`, `{"cid":"ad-555","nr":true,"ot":"v","v":2}`)
	f(`bg,bl=(2100;v 1800;a),br=(3000;v 164;a),bs,bsa=(3;v),bsd=(1200;v 100;a),bsda=(4150;v 300;a),cs="g48djn236sk2",dfa=32,ec=("2001"),lb=(500;v 32;a),ltc=13500,msd=1700,nor=("next-seg.mp4"),nr,ot=v,pb=(2000;v 164;a),pr=1.1,pt=632782,sn=129,st=l,su,tbl=(2000;v 2000;a),tpb=(5000;v 164;a),v=2`,
		`{"bg":true,"bl":2100,"br":3000,"bs":true,"bsa":3,"bsd":1200,"bsda":4150,"cs":"g48djn236sk2","dfa":32,"ec":"2001","lb":500,"ltc":13500,"msd":1700,"nr":true,"ot":"v","pb":2000,"pr":1.1,"pt":632782,"sn":129,"st":"l","su":true,"tbl":2000,"tpb":5000,"v":2} next "next-seg.mp4"`)
	f(`bl=21300,br=3200,bs,d=4004,dl=18500,mtp=48100,nor="..%2F300kbps%2Ftrack.m4v",nrr="12323-48763",ot=v,pr=1.08,rtp=12000,sf=d,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v,su,tb=6000`,
		`{"bl":21300,"br":3200,"bs":true,"d":4004,"dl":18500,"mtp":48100,"ot":"v","pr":1.08,"rtp":12000,"sf":"d","sid":"6e2fb550-c457-11e9-bb97-0800200c9a66","st":"v","su":true,"tb":6000} next "../300kbps/track.m4v" 12323 to 48763`)
	f(`nrr="6066-10001"`, `{} next "" 6066 to 10001`)
	f(`d=4004,com.example-myNumericKey=500,com.example-myStringKey="myStringValue"`, `{"d":4004} unknown 2 refused 0 newer 0`)
	f(`nor=("a.mp4";r="0-99" "b.mp4";r="-500" "c.mp4";r="7-"),v=2`, `{"v":2} next "a.mp4" 0 to 99 next "b.mp4" -1 to 500 next "c.mp4" 7 to -1`)
	f(`su=?0,bs=?1`, `{"bs":true,"su":false}`)
}

// What is not as its key asks is ignored, and nothing beside it (CTA-5004-B section 6).
func TestRefused(t *testing.T) {
	f := func(payload, want string) {
		t.Helper()
		if got := read(payload); got != want {
			t.Errorf("ReadRecord(%s) = %s, want %s", payload, got, want)
		}
	}
	one := ` unknown 0 refused 1 newer 0`
	for _, bad := range []string{`br`, `br="3"`, `br=-1`, `br=1.5`, `br=1000000000000000`, `br=()`, `br=(1`, `br=(1;x)`, `br=(1;v;)`, `br=(1;vv)`,
		`br=(1 2 3 4 5 6 7 8 9)`, `sid=abc`, `sid="a"b`, `sid="a\b"`, `sid="` + strings.Repeat("x", 65) + `"`, `sid="é"`, `sid=`, `ot=x`, `ot="v"`, `ot`,
		`ot=m a`, `sf=hls`, `st=`, `bs=1`, `su="a"`, `pr=1.2345`, `pr=.5`, `pr=1.`, `pr=-1`, `nor=a`, `nor=""`, `nor=("a"`, `nor=("a";r=0-1)`, `nor=("a";r="5-2")`,
		`nor=("a""b")`, `nor=("")`, `nor="%zz"`, `nrr="a-b"`, `nrr="-"`, `nrr="-0"`, `nrr="1-2,3-4"`, `ec=(`, "sid=\"a\x00\"", "sid=\x00a", `sid=("a")`} {
		f("d=1,"+bad+",dl=2", `{"d":1,"dl":2}`+one)
	}
	for _, unfinished := range []string{`sid="`, `sid="a`, `sid="\`} { // nobody knows where it ends
		f("d=1,"+unfinished+",dl=2", `{"d":1}`+one)
	}
	f(`d=1,br=(1,2),dl=2`, `{"d":1,"dl":2} unknown 1 refused 1 newer 0`)
	f(``, `{}`)
	f(`,,`, `{}`)
	f(`d=1,d=2`, `{"d":2}`)
	f(`d=1,d=x`, `{}`+one)
	f(`v=3,d=1,sid="a"`, `{} unknown 0 refused 0 newer 3`)
	f(`e=ps,ts=1234567890123,url="a,b",rc=200,d=1`, `{"d":1}`)
	f("d=1"+strings.Repeat(",", 9000), `{}`)
	f("br=(1;v 2;a 3;i 4;c 5 6 7 8),bl=(1 2 3 4 5 6 7 8),mtp=(1 2 3 4 5 6 7 8),tb=(1 2 3 4 5 6 7 8),tbl=(1 2 3 4 5 6 7 8),pb=(1 2 3 4 5 6 7 8),lb=(1 2 3 4 5 6 7 8)",
		`{"bl":1,"br":5,"mtp":1,"pb":1,"tb":1,"tbl":1}`+one)
}

// vectors are what another implementation writes.
type vectors struct {
	Origin  string
	Vectors []struct {
		Headers map[string]string
		Query   string
		Want    map[string]any
	}
}

func TestVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/svta.json")
	if err != nil {
		t.Fatal(err)
	}
	var all vectors
	if err := json.Unmarshal(b, &all); err != nil || len(all.Vectors) == 0 {
		t.Fatalf("no vectors: %v", err)
	}
	var d cmcd.Data
	for i, v := range all.Vectors {
		h := v.Headers
		d.Read([]byte(h["CMCD-Object"]), []byte(h["CMCD-Request"]), []byte(h["CMCD-Session"]), []byte(h["CMCD-Status"]), []byte("CMCD=d%3D1"))
		if diff := cmp.Diff(v.Want, shown(t, &d)); diff != "" {
			t.Errorf("vector %d in headers %v: (-want +got)\n%s", i, h, diff)
		}
		d.Read(nil, nil, nil, nil, []byte("a=b&cmcd=d%3D1&"+v.Query+"&CMCD=d%3D7"))
		if diff := cmp.Diff(v.Want, shown(t, &d)); diff != "" {
			t.Errorf("vector %d in query %s: (-want +got)\n%s", i, v.Query, diff)
		}
	}
}

// shown is what was read in the form of the vectors.
func shown(t *testing.T, d *cmcd.Data) map[string]any {
	t.Helper()
	got := map[string]any{}
	if err := json.Unmarshal(d.AppendJSON(nil), &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "v")
	var names []any
	for i, n := range d.Next() {
		names = append(names, string(n.Path))
		if i == 0 && n.Ranged {
			got["range"] = fmt.Sprintf("%d-%d", n.First, n.Last)
		}
	}
	if names != nil {
		got["nor"] = names
	}
	if d.Unknown > 0 {
		got["unknown"] = float64(d.Unknown)
	}
	if d.Refused > 0 {
		t.Errorf("%d keys were refused", d.Refused)
	}
	return got
}

func TestJSON(t *testing.T) {
	var d cmcd.Data
	f := func(body, want string) {
		t.Helper()
		d.ReadJSON([]byte(body))
		if got := show(&d); got != want {
			t.Errorf("ReadJSON(%s) = %s, want %s", body, got, want)
		}
	}
	f(`{"bl":21300,"br":3200,"bs":true,"cid":"v","d":4004,"nor":"..%2F300kbps%2Ftrack.m4v","nrr":"12323-48763","ot":"v","pr":1.08,"sf":"h","sid":"6e2f","st":"v","su":false}`,
		`{"bl":21300,"br":3200,"bs":true,"cid":"v","d":4004,"ot":"v","pr":1.08,"sf":"h","sid":"6e2f","st":"v","su":false} next "../300kbps/track.m4v" 12323 to 48763`)
	f(`{"br":"3200","ot":7,"sid":true,"com.example-x":[1]}`, `{} unknown 1 refused 3 newer 0`)
	f(`{"v":3,"br":1}`, `{} unknown 0 refused 0 newer 3`)
	f(`[]`, `{}`)
	f(`{`, `{}`)
}

func TestHeadersBeforeQuery(t *testing.T) {
	var d cmcd.Data
	if d.Read([]byte("br=x"), nil, nil, nil, []byte("CMCD=d%3D1")) || d.Refused != 1 {
		t.Errorf("a query was read beside a header: %s", show(&d))
	}
	if !d.Read(nil, nil, nil, nil, []byte("CMCD=d%3D1,cid%3D%22a+b%22")) || show(&d) != `{"cid":"a b","d":1}` {
		t.Errorf("a query was read as %s", show(&d))
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	var d cmcd.Data
	object, request := []byte(`br=(3000;v 128;a),d=4004,ot=v,tb=(6000)`), []byte(`bl=(21300),dl=18500,mtp=(48100),nor=("4.m4s" "5.m4s";r="0-9"),su`)
	session, query := []byte(`cid="content",sf=d,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v,v=2`), []byte("CMCD=bl%3D(2000)%2Csid%3D%22a%22%2Cnor%3D%22..%252Fa%22")
	b := make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() {
		d.Read(object, request, session, []byte("bs"), nil)
		b = d.AppendJSON(b[:0])
		d.Read(nil, nil, nil, nil, query)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkReadHeaders(b *testing.B) {
	var d cmcd.Data
	object, request := []byte(`br=(3000;v 128;a),d=4004,ot=v,tb=(6000)`), []byte(`bl=(21300),dl=18500,mtp=(48100),nor=("4.m4s" "5.m4s";r="0-9"),su`)
	session := []byte(`cid="content",sf=d,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v,v=2`)
	b.SetBytes(int64(len(object) + len(request) + len(session)))
	b.ReportAllocs()
	for b.Loop() {
		d.ReadHeaders(object, request, session, nil)
	}
}

// FuzzCMCD reads any bytes in every way: numbers stay within bounds, JSON is JSON, paths that are resolved stay below
// their prefix.
func FuzzCMCD(f *testing.F) {
	f.Add([]byte(`bl=(0;v 2000;a),bs,ot=v,nor=("../x/a.m4s";r="0-9" "b"),sid="a\"b\\",pr=1.08,v=2,x-y=1`))
	f.Add([]byte(`CMCD=nor%3D%22..%252F3.m4s%22%2Cnrr%3D%221-2%22&x=y`))
	f.Add([]byte(`{"br":3200,"nor":"a%2Fb","ot":"v","su":true}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var d cmcd.Data
		for _, read := range []func() bool{
			func() bool { return d.ReadRecord(b) }, func() bool { return d.ReadQuery(b) }, func() bool { return d.ReadJSON(b) },
			func() bool { return d.ReadHeaders(b, b, nil, b) },
		} {
			any := read()
			out := d.AppendJSON(nil)
			if !json.Valid(out) || any != d.Any() || d.Newer > 0 && any {
				t.Fatalf("%q was read as %s, any %v", b, out, any)
			}
			for k := cmcd.AggregateBitrate; k <= cmcd.Version; k++ {
				if n, ok := d.Number(k); ok && (n < 0 || n > 999_999_999_999_999) {
					t.Fatalf("%q: %v = %d", b, k, n)
				}
			}
			for _, n := range d.Next() {
				if n.Ranged && (n.First < -1 || n.Last < -1 || n.Last >= 0 && n.First > n.Last) {
					t.Fatalf("%q: range %d to %d", b, n.First, n.Last)
				}
				p, ok := cmcd.Resolve("/asset/1/clear/v/3.m4s", "/asset/1", string(n.Path))
				if ok && (p != "/asset/1" && !strings.HasPrefix(p, "/asset/1/") || strings.Contains(p, "//") || strings.Contains(p, "/../") || strings.ContainsAny(p, "%?# \\")) {
					t.Fatalf("%q is resolved to %q", n.Path, p)
				}
			}
		}
	})
}

func TestKeysHaveTheirNames(t *testing.T) {
	for k := cmcd.AggregateBitrate; k <= cmcd.Version; k++ {
		if got := read(k.String() + "=\x01"); got != `{} unknown 0 refused 1 newer 0` {
			t.Errorf("key %d is named %s, which is read as %s", k, k, got)
		}
		if got := read(k.String() + `=[`); got != `{} unknown 0 refused 1 newer 0` {
			t.Errorf("key %d is named %s, which is read as %s", k, k, got)
		}
	}
}
