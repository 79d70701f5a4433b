"""A collector of OTLP reports, made of OpenTelemetry's published definitions.

collector.py FILE [CERTIFICATE KEY] listens for HTTP and for gRPC on free ports of the loopback
address, with TLS if it has a certificate, and prints both ports on its first line. Each report
becomes a line of JSON in FILE: how it came, its headers, and the message as protobuf maps it to
JSON. It ends with its standard input.
"""

import gzip
import json
import ssl
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

LOCK = threading.Lock()
OUT = open(sys.argv[1], "a", encoding="utf-8")


def note(over, signal, headers, message):
    line = json.dumps(
        {"over": over, "signal": signal, "headers": headers, "report": MessageToDict(message)}
    )
    with LOCK:
        OUT.write(line + "\n")
        OUT.flush()


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kinds = {
        "/v1/traces": ("traces", trace.ExportTraceServiceRequest, trace.ExportTraceServiceResponse),
        "/v1/metrics": (
            "metrics",
            metrics.ExportMetricsServiceRequest,
            metrics.ExportMetricsServiceResponse,
        ),
        "/v1/logs": ("logs", logs.ExportLogsServiceRequest, logs.ExportLogsServiceResponse),
    }

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        signal, request, response = self.kinds[self.path]
        message = request()
        message.ParseFromString(body)
        note("http", signal, dict(self.headers.items()), message)
        answer = response().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def servicer(base, signal, response):
    class Servicer(base):
        def Export(self, request, context):
            note("grpc", signal, dict(context.invocation_metadata()), request)
            return response()

    return Servicer()


def main():
    web = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    rpc = grpc.server(ThreadPoolExecutor(4))
    trace_grpc.add_TraceServiceServicer_to_server(
        servicer(trace_grpc.TraceServiceServicer, "traces", trace.ExportTraceServiceResponse), rpc
    )
    metrics_grpc.add_MetricsServiceServicer_to_server(
        servicer(
            metrics_grpc.MetricsServiceServicer, "metrics", metrics.ExportMetricsServiceResponse
        ),
        rpc,
    )
    logs_grpc.add_LogsServiceServicer_to_server(
        servicer(logs_grpc.LogsServiceServicer, "logs", logs.ExportLogsServiceResponse), rpc
    )
    if len(sys.argv) > 3:
        certificate, key = sys.argv[2:4]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        web.socket = context.wrap_socket(web.socket, server_side=True)
        with open(certificate, "rb") as chain, open(key, "rb") as private:
            pair = (private.read(), chain.read())
        port = rpc.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    else:
        port = rpc.add_insecure_port("127.0.0.1:0")
    rpc.start()
    threading.Thread(target=web.serve_forever, daemon=True).start()
    print(web.server_address[1], port, flush=True)
    sys.stdin.read()


main()
