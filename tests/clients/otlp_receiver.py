#!/usr/bin/env python3
"""A collector for tests: otlp_receiver.py FOLDER

Takes OTLP over gRPC at a free port of this machine, with the services of the package opentelemetry-proto, and keeps what it is sent in
FOLDER: the requests as they came, one after the other with their length before them, in traces.bin, metrics.bin and logs.bin; and what
they say, one JSON object a line, in traces.jsonl, metrics.jsonl and logs.jsonl. The first line it prints is its port. It ends when its
standard input does.
"""

import pathlib
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc

STOP_S = 1


class Keeper:
    """Keeps what it is sent of one kind."""

    def __init__(self, folder, kind, answer):
        self.raw = (folder / f"{kind}.bin").open("wb", buffering=0)
        self.lines = (folder / f"{kind}.jsonl").open("w", buffering=1)
        self.answer = answer
        self.one_at_a_time = threading.Lock()

    def Export(self, request, context):  # noqa: N802 - the name of the method in the .proto
        """What the services of all three kinds call it."""
        sent = request.SerializeToString()
        with self.one_at_a_time:
            self.raw.write(len(sent).to_bytes(4, "big") + sent)
            self.lines.write(MessageToJson(request, indent=None) + "\n")
        return self.answer()


def main(folder):
    folder = pathlib.Path(folder)
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    traces_grpc.add_TraceServiceServicer_to_server(Keeper(folder, "traces", traces.ExportTraceServiceResponse), server)
    metrics_grpc.add_MetricsServiceServicer_to_server(Keeper(folder, "metrics", metrics.ExportMetricsServiceResponse), server)
    logs_grpc.add_LogsServiceServicer_to_server(Keeper(folder, "logs", logs.ExportLogsServiceResponse), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(STOP_S).wait()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
