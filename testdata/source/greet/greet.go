// Package greet calls a C library.
package greet

/*
#cgo CFLAGS: -I${SRCDIR}/include
#cgo darwin && arm64 CFLAGS: -DFAST
#cgo darwin LDFLAGS: -L/opt/homebrew/lib -lgreet
#cgo LDFLAGS: -lz
#include <stdio.h>
#include "greet.h"
*/
import "C"

// Hello greets.
func Hello() int { return int(C.greet()) }
