/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command probe connects to every address that it is given and prints what each name resolves to, for check.sh;
// or, given listen and an address, listens there and prints the port.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "listen" {
		listen(os.Args[2])
	}
	for _, address := range os.Args[1:] {
		connection, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		fmt.Println(address, "is", connection.RemoteAddr())
		connection.Close()
	}
}

func listen(address string) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String()) // a TCP address has one
	fmt.Println("port", port)
	for {
		if connection, err := listener.Accept(); err == nil {
			connection.Close()
		}
	}
}
