// Command kube-apiserver-for-tests serves a Kubernetes API on a loopback port,
// so that code written against the Kubernetes API can be tested against the
// real request handling (watch, resourceVersion, pagination, 410 Gone, CRD
// validation, patch types, server-side apply) without a cluster.
//
// It is built from the Kubernetes library modules and stores everything in an
// etcd that it runs as a child process. It is an API server only: no
// controllers run, so nothing reacts to the objects stored in it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/google/uuid"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/klog/v2"
)

const loopback = "127.0.0.1"

func main() {
	// The kernel delivers Pdeathsig (see etcd.go) when the *thread* that
	// started the child ends, so the child has to be started from a thread that
	// lives as long as the process: the main one.
	runtime.LockOSThread()

	dir := flag.String("dir", "", "directory for the kubeconfig, the credentials and the etcd data (required)")
	port := flag.Int("port", 0, "port to serve on at "+loopback+" (0: any free one)")
	etcdPath := flag.String("etcd", "etcd", "etcd binary")
	compact := flag.Duration("compact-interval", 5*time.Minute,
		"how often to drop old revisions; make it short to test how a client handles 410 Gone")
	keep := flag.Bool("keep", false,
		"keep the data and the credentials at the end, and go on with them when they are there at the start")
	requests := flag.String("requests", "", "file to write every request to, one JSON object a line")
	withStdin := flag.Bool("stop-with-stdin", false, "stop when standard input ends, as when the parent has ended")
	watchCache := flag.Bool("watch-cache", true, "serve lists and watches from the watch cache, as clusters do")
	klog.InitFlags(nil) // -v and friends; logs go to standard error.
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *withStdin {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	err := run(ctx, *dir, *port, *etcdPath, *keep, *requests, serverConfig{compactInterval: *compact, watchCache: *watchCache})
	klog.Flush()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kube-apiserver-for-tests:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done and then removes everything it wrote, unless it is to be kept.
func run(ctx context.Context, dir string, port int, etcdPath string, keep bool, requests string, config serverConfig) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// Fails when another instance uses dir, or left its data there when it was killed.
	etcdDir := filepath.Join(dir, "etcd")
	if err := os.Mkdir(etcdDir, 0o700); err != nil && !(keep && os.IsExist(err)) {
		return err
	}
	if !keep {
		defer os.RemoveAll(etcdDir)
	}
	if requests != "" {
		file, err := os.OpenFile(requests, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		config.requests = file
	}

	etcd, err := startEtcd(ctx, etcdPath, etcdDir)
	if err != nil {
		return err
	}
	defer etcd.stop()
	config.etcdURL = etcd.url

	config.listener, err = net.Listen("tcp", fmt.Sprintf("%s:%d", loopback, port))
	if err != nil {
		return err
	}
	if keep {
		config.cert, config.key, config.token = readCredentials(dir)
	}
	if config.token == "" {
		config.cert, config.key, err = certutil.GenerateSelfSignedCertKey("localhost", []net.IP{net.ParseIP(loopback)}, nil)
		if err != nil {
			return err
		}
		config.token = uuid.NewString()
	}
	server, err := newServer(config)
	if err != nil {
		return err
	}

	// The library ends the process when it is told to stop while it starts, so
	// a signal has to wait until it has started.
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	served := make(chan error, 1)
	go func() { served <- server.GenericAPIServer.PrepareRun().RunWithContext(serving) }()
	defer func() {
		stopServing()
		<-served
	}()
	if err := waitUntilReady(serving, server, config.watchCache); err != nil {
		return err
	}

	remove, err := writeCredentials(dir, "https://"+config.listener.Addr().String(), config)
	if !keep {
		defer remove()
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	select {
	case <-ctx.Done():
		return nil
	case <-etcd.exited:
		return etcd.failure()
	}
}

// writeCredentials writes a kubeconfig, and the same credentials as plain files
// for clients that take them as options. remove deletes them again. cert is the
// certificate of the server followed by the one of the authority that signed it.
func writeCredentials(dir, url string, server serverConfig) (remove func(), err error) {
	const name = "kube-apiserver-for-tests"
	cert, token := server.cert, server.token
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: cert}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name, Namespace: "default"}
	config.CurrentContext = name
	kubeconfig, err := clientcmd.Write(*config)
	if err != nil {
		return func() {}, err
	}

	files := map[string][]byte{"ca.crt": cert, "token": []byte(token), "kubeconfig": kubeconfig, "server.key": server.key}
	remove = func() {
		for file := range files {
			os.Remove(filepath.Join(dir, file))
		}
	}
	for file, content := range files {
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			return remove, err
		}
	}
	return remove, nil
}

// readCredentials reads what writeCredentials has left; the token is empty
// when that is not complete.
func readCredentials(dir string) (cert, key []byte, token string) {
	var content [3][]byte
	for i, file := range []string{"ca.crt", "server.key", "token"} {
		var err error
		if content[i], err = os.ReadFile(filepath.Join(dir, file)); err != nil {
			return nil, nil, ""
		}
	}
	return content[0], content[1], string(content[2])
}
