/*
Copyright 2026 The Tegata Authors.
SPDX-License-Identifier: Apache-2.0
*/

// Command probe connects to every address that it is given and prints what each name resolves to, for check.sh.
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
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
