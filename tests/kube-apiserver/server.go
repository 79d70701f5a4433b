package main

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	noopoteltrace "go.opentelemetry.io/otel/trace/noop"
	corev1 "k8s.io/api/core/v1"
	crdhelpers "k8s.io/apiextensions-apiserver/pkg/apihelpers"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	crdlisters "k8s.io/apiextensions-apiserver/pkg/client/listers/apiextensions/v1"
	crdoptions "k8s.io/apiextensions-apiserver/pkg/cmd/server/options"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	apiopenapi "k8s.io/apiserver/pkg/endpoints/openapi"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage"
	etcdfeature "k8s.io/apiserver/pkg/storage/feature"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/apiserver/pkg/util/webhook"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

type serverConfig struct {
	listener        net.Listener
	cert, key       []byte // PEM
	token           string // the one bearer token that is accepted
	etcdURL         string
	compactInterval time.Duration
	watchCache      bool
	requests        io.Writer // where requests are recorded; nil: nowhere
}

// userName is who has the token.
const userName = "admin"

// newServer returns the API server of the CustomResourceDefinitions with the
// built-in resources installed into it. A cluster has one server for each, and
// an aggregator that merges their discovery and OpenAPI documents; with a
// single server there is nothing to merge.
func newServer(c serverConfig) (*apiextensions.CustomResourceDefinitions, error) {
	config := genericapiserver.NewRecommendedConfig(apiextensions.Codecs)
	config.EffectiveVersion = compatibility.DefaultBuildEffectiveVersion()
	config.MergedResourceConfig = apiextensions.DefaultAPIResourceConfigSource()

	serving := genericoptions.NewSecureServingOptions()
	serving.Listener = c.listener
	var err error
	if serving.ServerCert.GeneratedCert, err = dynamiccertificates.NewStaticCertKeyContent("serving", c.cert, c.key); err != nil {
		return nil, err
	}
	if err := serving.WithLoopback().ApplyToConfig(&config.Config); err != nil {
		return nil, err
	}

	// Whoever has the token may do everything.
	config.Authentication.Authenticator = bearertoken.New(tokenfile.New(map[string]*user.DefaultInfo{
		c.token: {Name: userName, Groups: []string{user.SystemPrivilegedGroup, user.AllAuthenticated}},
	}))
	config.Authorization.Authorizer = authorizerfactory.NewAlwaysAllowAuthorizer()
	if c.requests != nil {
		config.BuildHandlerChainFunc = recordRequests(c.requests)
	}

	namer := apiopenapi.NewDefinitionNamer(publicScheme, apiextensions.Scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openAPIDefinitions, namer)
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openAPIDefinitions, namer)

	etcd := etcdOptions(c, apiextensions.Codecs.LegacyCodec(apiextensionsv1.SchemeGroupVersion), apiextensionsv1.SchemeGroupVersion)
	if err := etcd.ApplyTo(&config.Config); err != nil {
		return nil, err
	}
	completed := (&apiextensions.Config{
		GenericConfig: config,
		ExtraConfig: apiextensions.ExtraConfig{
			CRDRESTOptionsGetter: crdoptions.NewCRDRESTOptionsGetter(*etcd, config.ResourceTransformers, config.StorageObjectCountTracker),
			ServiceResolver:      webhook.NewDefaultServiceResolver(),
			AuthResolverWrapper:  webhook.NewDefaultAuthenticationInfoResolverWrapper(nil, nil, config.LoopbackClientConfig, noopoteltrace.NewTracerProvider()),
			MasterCount:          1,
		},
	}).Complete()
	completed.GenericConfig.EnableDiscovery = true // the aggregator's business in a cluster
	server, err := completed.New(genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, err
	}

	// Ends the watches that are still open when the server stops.
	server.GenericAPIServer.ShutdownTimeout = time.Second

	if err := installBuiltins(server.GenericAPIServer, c); err != nil {
		return nil, err
	}
	return server, listCRDGroups(server)
}

func etcdOptions(c serverConfig, codec runtime.Codec, versions ...schema.GroupVersion) *genericoptions.EtcdOptions {
	etcd := genericoptions.NewEtcdOptions(storagebackend.NewDefaultConfig("/registry", codec))
	etcd.StorageConfig.Transport.ServerList = []string{c.etcdURL}
	etcd.StorageConfig.EncodeVersioner = schema.GroupVersions(versions)
	etcd.StorageConfig.CompactionInterval = c.compactInterval
	etcd.EnableWatchCache = c.watchCache
	etcd.StorageConfig.CountMetricPollPeriod = 0 // nobody reads the metrics
	etcd.EnableGarbageCollection = false         // nothing would ever remove the finalizers it uses
	etcd.SkipHealthEndpoints = true
	return etcd
}

func installBuiltins(server *genericapiserver.GenericAPIServer, c serverConfig) error {
	etcd := etcdOptions(c, codecs.LegacyCodec(groupVersions()...), groupVersions()...)
	options := etcd.CreateRESTOptionsGetter(&genericoptions.SimpleStorageFactory{StorageConfig: etcd.StorageConfig}, nil)

	for _, version := range groupVersions() {
		group := genericapiserver.NewDefaultAPIGroupInfo(version.Group, scheme, runtime.NewParameterCodec(scheme), codecs)
		handlers := map[string]rest.Storage{}
		for _, r := range resources {
			if r.version != version {
				continue
			}
			ofResource, err := newStorage(r, options)
			if err != nil {
				return err
			}
			maps.Copy(handlers, ofResource)
		}
		group.VersionedResourcesStorageMap[version.Version] = handlers

		var err error
		if version.Group == corev1.GroupName {
			err = server.InstallLegacyAPIGroup(genericapiserver.DefaultLegacyAPIPrefix, &group)
		} else {
			err = server.InstallAPIGroup(&group)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listCRDGroups keeps the groups of the CustomResourceDefinitions in the list at
// /apis. The server itself adds them only to the newer, aggregated form of that
// list, which not every client asks for.
func listCRDGroups(server *apiextensions.CustomResourceDefinitions) error {
	crds := server.Informers.Apiextensions().V1().CustomResourceDefinitions()
	groups := server.GenericAPIServer.DiscoveryGroupManager
	listed := sets.New[string]()
	// An informer calls its handler from one goroutine, so listed needs no lock.
	update := func(any) {
		current := crdGroups(crds.Lister())
		for _, group := range current {
			groups.AddGroup(group)
			listed.Insert(group.Name)
		}
		for name := range listed {
			if !slices.ContainsFunc(current, func(group metav1.APIGroup) bool { return group.Name == name }) {
				groups.RemoveGroup(name)
				listed.Delete(name)
			}
		}
	}
	_, err := crds.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: update, DeleteFunc: update, UpdateFunc: func(_, crd any) { update(crd) },
	})
	return err
}

func crdGroups(lister crdlisters.CustomResourceDefinitionLister) []metav1.APIGroup {
	versions := map[string]sets.Set[string]{}
	crds, _ := lister.List(labels.Everything()) // reads memory, cannot fail
	for _, crd := range crds {
		if !crdhelpers.IsCRDConditionTrue(crd, apiextensionsv1.Established) {
			continue
		}
		for _, v := range crd.Spec.Versions {
			if v.Served {
				if versions[crd.Spec.Group] == nil {
					versions[crd.Spec.Group] = sets.New[string]()
				}
				versions[crd.Spec.Group].Insert(v.Name)
			}
		}
	}
	var groups []metav1.APIGroup
	for name, names := range versions {
		group := metav1.APIGroup{Name: name}
		for v := range names {
			group.Versions = append(group.Versions, metav1.GroupVersionForDiscovery{GroupVersion: name + "/" + v, Version: v})
		}
		slices.SortFunc(group.Versions, func(a, b metav1.GroupVersionForDiscovery) int {
			return -version.CompareKubeAwareVersionStrings(a.Version, b.Version) // newest stable version first
		})
		group.PreferredVersion = group.Versions[0]
		groups = append(groups, group)
	}
	return groups
}

// waitUntilReady returns when the server answers and has the namespaces that
// clients expect in every cluster.
func waitUntilReady(ctx context.Context, server *apiextensions.CustomResourceDefinitions, watchCache bool) error {
	client, err := kubernetes.NewForConfig(server.GenericAPIServer.LoopbackClientConfig)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		var status int
		client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).StatusCode(&status)
		return status == http.StatusOK, nil
	})
	if err != nil {
		return err
	}
	// The watch cache serves streaming lists (sendInitialEvents) only with an etcd
	// whose progress notifications it can trust, and answers 500 otherwise. With
	// the feature off the answer is the 422 that clients know how to handle. The
	// watches that go to etcd directly have no such condition.
	if watchCache && !etcdfeature.DefaultFeatureSupportChecker.Supports(storage.RequestWatchProgress) {
		if err := utilfeature.DefaultMutableFeatureGate.Set(string(features.WatchList) + "=false"); err != nil {
			return err
		}
	}
	for _, name := range []string{metav1.NamespaceDefault, metav1.NamespaceSystem} {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}
