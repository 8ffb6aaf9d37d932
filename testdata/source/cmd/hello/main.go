package main

// #cgo LDFLAGS: -Wl,-rpath,/opt/homebrew/lib
import "C"

import "example.org/greeting/greet"

func main() { greet.Hello() }
