package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// blockPackages are what blocks of the documents may use.
var blockPackages = map[string]string{
	"context": "context", "errors": "errors", "http": "net/http", "json": "encoding/json", "os": "os", "slog": "log/slog", "time": "time",
	"engineio": module + "engineio", "presence": module + "presence", "redis": module + "presence/redis", "socketio": module + "socketio",
}

// blockNames declares what blocks use and the text around them introduces.
const blockNames = `package blocks

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"` + module + `presence"
	"` + module + `socketio"
)

var (
	ctx        context.Context
	io         *socketio.Server
	rt         *presence.Runtime
	mux        *http.ServeMux
	httpServer *http.Server
	logger     *slog.Logger
)

type message struct{ RoomID, From string }

type delivered struct{ OK bool }

func verify(context.Context, json.RawMessage) (userID string, err error) { return "", nil }
`

// TestBlocksOfTheDocumentsCompile compiles each block of Go in README.md and docs/:
// declarations as they stand, expressions and statements within a function.
func TestBlocksOfTheDocumentsCompile(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"names.go": blockNames}
	for _, document := range append(documents, filepath.Join(root, "README.md")) {
		for i, block := range blocksOf(t, document) {
			name := fmt.Sprintf("%s_%d", strings.TrimSuffix(filepath.Base(document), ".md"), i+1)
			files[name+".go"] = blockFile(t, name, block)
		}
	}
	if len(files) < 8 {
		t.Fatalf("only %d blocks found", len(files)-1)
	}
	// The files are laid over a folder of the module that does not exist.
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(root, "internal", "doccheck", "blocks", name)] = path
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	listPath := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(listPath, list, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-overlay", listPath, "./internal/doccheck/blocks")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestReadmeShowsTheExample keeps the block of README.md what it says that it is.
func TestReadmeShowsTheExample(t *testing.T) {
	blocks := blocksOf(t, "../../README.md")
	example, err := os.ReadFile("../../examples/embed/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) == 0 || !strings.Contains(string(example), blocks[0]) {
		t.Error("the first block of README.md is not in examples/embed/main.go")
	}
}

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```")

func blocksOf(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range goBlock.FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, match[1])
	}
	return blocks
}

// blockFile makes a file of a block. Names that its statements define count as used.
func blockFile(t *testing.T, name, block string) string {
	t.Helper()
	var imports strings.Builder
	for short, path := range blockPackages {
		if regexp.MustCompile(`\b` + short + `\.[A-Z]`).MatchString(block) {
			fmt.Fprintf(&imports, "import %q\n", path)
		}
	}
	head := "package blocks\n" + imports.String()
	if _, err := parser.ParseFile(token.NewFileSet(), name, head+block, 0); err == nil {
		return head + block
	}
	if literal, err := parser.ParseExpr(block); err == nil {
		if _, ok := literal.(*ast.CompositeLit); ok {
			return head + "var _ = " + block
		}
	}
	begin := head + "func " + name + "() error {\n"
	file, err := parser.ParseFile(token.NewFileSet(), name, begin+block+"\nreturn nil\n}", 0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var uses strings.Builder
	for _, statement := range file.Decls[len(file.Decls)-1].(*ast.FuncDecl).Body.List {
		if assign, ok := statement.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
			for _, left := range assign.Lhs {
				fmt.Fprintf(&uses, "_ = %s\n", left.(*ast.Ident).Name)
			}
		}
	}
	return begin + block + uses.String() + "\nreturn nil\n}"
}
