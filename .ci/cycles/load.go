package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
	DepOnly                 bool
}

// load reads one package as it is built here. What it imports comes out of the
// build cache, compiled by the go command if it must be.
func load(dir string) (*graph, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,DepOnly", ".")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	data, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	exports := map[string]string{}
	var here listed
	for dec := json.NewDecoder(bytes.NewReader(data)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			here = p
		}
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range here.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(here.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	conf := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := conf.Check(here.ImportPath, fset, files, info)
	if err != nil {
		return nil, err
	}
	return between(fset, pkg, here.GoFiles, info), nil
}

// between are the references from file to file. What is declared inside of a
// function is used in its own file only, so all that another file declares is
// of the package, a method or a field.
func between(fset *token.FileSet, pkg *types.Package, files []string, info *types.Info) *graph {
	g := &graph{files: files, edges: map[edge]map[string]int{}}
	fileOf := func(p token.Pos) string { return filepath.Base(fset.Position(p).Filename) }
	for ident, object := range info.Uses {
		if object.Pkg() != pkg {
			continue
		}
		e := edge{fileOf(ident.Pos()), fileOf(object.Pos())}
		if e.from == e.to {
			continue
		}
		if g.edges[e] == nil {
			g.edges[e] = map[string]int{}
		}
		g.edges[e][nameOf(object)]++
	}
	return g
}

func nameOf(object types.Object) string {
	f, ok := object.(*types.Func)
	if !ok || f.Signature().Recv() == nil {
		return object.Name()
	}
	t := f.Signature().Recv().Type()
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if n, ok := t.(*types.Named); ok {
		return n.Obj().Name() + "." + f.Name()
	}
	return f.Name()
}
