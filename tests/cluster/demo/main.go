// The program that the seed's pipeline builds and deploys: it answers with one text.
package main

import (
	"log"
	"net/http"

	"k8s.local/greeting"
)

// What a commit changes: the text, and whether the program ever becomes ready.
const (
	text  = "Hello DevOps On Kubernetes"
	ready = true
)

func main() {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		answer.Header().Set("Content-Type", "application/json")
		answer.Write(greeting.JSON(text))
	})
	http.HandleFunc("/ready", func(answer http.ResponseWriter, _ *http.Request) {
		if !ready {
			answer.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
