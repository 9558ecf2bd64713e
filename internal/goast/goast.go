// Package goast reads Go's syntax trees for the programs that look at this module.
package goast

import "go/ast"

// Receiver is the name of the type that a method is on, given the type of its receiver:
// without a pointer and without type parameters. It is empty for what is no receiver.
func Receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return Receiver(t.X)
	case *ast.IndexExpr:
		return Receiver(t.X)
	case *ast.IndexListExpr:
		return Receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
