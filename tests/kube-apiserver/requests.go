package main

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"

	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"
	genericapiserver "k8s.io/apiserver/pkg/server"
)

// request is what RBAC decides about a request, and who sent it.
type request struct {
	Verb        string `json:"verb"`
	Group       string `json:"group"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	// Path is set where the request is not about a resource.
	Path  string `json:"path,omitempty"`
	Agent string `json:"agent"`
}

// recordRequests returns a handler chain that writes every request of the
// outside to out, one JSON object a line, before it is carried out.
func recordRequests(out io.Writer) func(http.Handler, *genericapiserver.Config) http.Handler {
	var lock sync.Mutex
	lines := json.NewEncoder(out)
	return func(api http.Handler, config *genericapiserver.Config) http.Handler {
		recorder := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := genericapirequest.UserFrom(r.Context())
			info, ok := genericapirequest.RequestInfoFrom(r.Context())
			if ok && user != nil && user.GetName() == userName {
				line := request{Verb: info.Verb, Agent: r.UserAgent()}
				if info.IsResourceRequest {
					line.Group, line.Resource, line.Subresource = info.APIGroup, info.Resource, info.Subresource
					line.Namespace, line.Name = info.Namespace, info.Name
				} else {
					line.Path = info.Path
				}
				lock.Lock()
				_ = lines.Encode(line)
				lock.Unlock()
			}
			api.ServeHTTP(w, r)
		})
		return genericapiserver.DefaultBuildHandlerChain(recorder, config)
	}
}
