package weir_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"slices"
	"sort"
	"strings"
	"testing"
)

// The house rules of CONTRIBUTING.md that a machine can hold.
const (
	maxFileLines     = 600
	p90FileLines     = 400
	maxFunctionLines = 80
	maxMethods       = 8
	maxFields        = 20
)

type source struct {
	name string
	fset *token.FileSet
	file *ast.File
	text []byte
}

func (s source) test() bool           { return strings.HasSuffix(s.name, "_test.go") }
func (s source) line(p token.Pos) int { return s.fset.Position(p).Line }

func parsed(t *testing.T) []source {
	t.Helper()
	var out []source
	for _, name := range sources(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if ast.IsGenerated(file) {
			continue
		}
		out = append(out, source{name, fset, file, text})
	}
	return out
}

func TestFileSizes(t *testing.T) {
	var sizes []int
	for _, s := range parsed(t) {
		n := bytes.Count(s.text, []byte("\n"))
		sizes = append(sizes, n)
		if n > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: part it", s.name, n, maxFileLines)
		}
	}
	sort.Ints(sizes)
	if p90 := sizes[len(sizes)*9/10]; p90 > p90FileLines {
		t.Errorf("the 90th percentile of file sizes is %d lines, more than %d", p90, p90FileLines)
	}
}

func TestFunctionSizes(t *testing.T) {
	for _, s := range parsed(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFunctionLines {
				t.Errorf("%s:%d: %s has %d lines, more than %d", s.name, s.line(f.Pos()), f.Name.Name, n, maxFunctionLines)
			}
			if f.Name.Name == "init" && f.Recv == nil {
				t.Errorf("%s: init() hides what a program does; wire it by hand", s.name)
			}
		}
	}
}

func TestInterfaceAndStructSizes(t *testing.T) {
	for _, s := range parsed(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.InterfaceType:
				if k := n.Methods.NumFields(); k > maxMethods {
					t.Errorf("%s:%d: interface with %d methods, more than %d", s.name, s.line(n.Pos()), k, maxMethods)
				}
			case *ast.StructType:
				if k := n.Fields.NumFields(); k > maxFields {
					t.Errorf("%s:%d: struct with %d fields, more than %d", s.name, s.line(n.Pos()), k, maxFields)
				}
			}
			return true
		})
	}
}

func TestPackageDocs(t *testing.T) {
	docs := map[string]bool{}
	for _, s := range parsed(t) {
		if s.test() {
			continue
		}
		dir := path.Dir(s.name)
		docs[dir] = docs[dir] || s.file.Doc != nil && len(s.file.Doc.Text()) > 40
	}
	for dir, ok := range docs {
		if !ok {
			t.Errorf("%s has no package doc: say what it is, what it is not, and an invariant", dir)
		}
		if base := path.Base(dir); slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "manager", "misc", "base"}, base) {
			t.Errorf("%s: a package has a noun's name", dir)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, s := range parsed(t) {
		if s.test() {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && d.Doc == nil && receiverExported(d) && !obvious(d.Name.Name) {
					t.Errorf("%s:%d: %s is not documented", s.name, s.line(d.Pos()), d.Name.Name)
				}
			case *ast.GenDecl:
				undocumented(t, s, d)
			}
		}
	}
}

func undocumented(t *testing.T, s source, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
				t.Errorf("%s:%d: type %s is not documented", s.name, s.line(spec.Pos()), spec.Name.Name)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if name.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
					t.Errorf("%s:%d: %s is not documented", s.name, s.line(spec.Pos()), name.Name)
				}
			}
		}
	}
}

// obvious names implement a well-known interface, whose contract is the documentation.
func obvious(name string) bool {
	return slices.Contains([]string{"Error", "Unwrap", "String", "Read", "Write", "Close", "Len", "Less", "Swap", "ServeHTTP", "Unwrap",
		"MarshalJSON", "UnmarshalJSON", "Describe", "Collect", "AfterApply", "Run", "Help"}, name)
}

func receiverExported(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// An error given to fmt.Errorf or weir.Errorf with %v or %s is lost to errors.Is.
func TestErrorsAreWrapped(t *testing.T) {
	for _, s := range parsed(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Errorf" {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if !ok || pkg.Name != "fmt" && pkg.Name != "weir" {
				return true
			}
			checkWrap(t, s, call)
			return true
		})
	}
}

func checkWrap(t *testing.T, s source, call *ast.CallExpr) {
	var format string
	errs := 0
	for _, a := range call.Args {
		switch a := a.(type) {
		case *ast.BasicLit:
			if format == "" && a.Kind == token.STRING {
				format = a.Value
			}
		case *ast.Ident:
			if a.Name == "err" || strings.HasSuffix(a.Name, "Err") {
				errs++
			}
		}
	}
	if format != "" && errs > 0 && strings.Count(format, "%w") < errs {
		t.Errorf("%s:%d: wrap the error with %%w", s.name, s.line(call.Pos()))
	}
	if strings.Contains(format, "failed to") {
		t.Errorf("%s:%d: name the act, not that it failed", s.name, s.line(call.Pos()))
	}
}
