// SPDX-License-Identifier: Apache-2.0

extension LabPlace {
    /// Starts nginx that answers every request with a text; it listens before this returns. `log` gets a line per request with the
    /// client's address, unless it is `off`. A connection may be used for any number of requests.
    package func startNginx(port: Int, body: String, log: String = "/run/nginx-access.log") throws -> LabProcess {
        let configuration = "/run/nginx-\(port).conf"
        try write(
            configuration,
            """
            daemon off;
            master_process off;
            pid /run/nginx-\(port).pid;
            error_log stderr warn;
            worker_rlimit_nofile \(min(65536, Machine.descriptorLimit));
            events { worker_connections \(min(32768, Machine.descriptorLimit - 100)); }
            http {
              access_log \(log);
              keepalive_requests 10000000;
              client_body_temp_path /run/nginx-body; proxy_temp_path /run/nginx-proxy; fastcgi_temp_path /run/nginx-fastcgi;
              uwsgi_temp_path /run/nginx-uwsgi; scgi_temp_path /run/nginx-scgi;
              server { listen \(port) backlog=8192; listen [::]:\(port) backlog=8192; location / { return 200 "\(body)"; } }
            }
            """)
        let process = try start(["nginx", "-e", "stderr", "-c", configuration])
        try waitUntil("nginx listens", seconds: 1, detail: { process.log }) {
            if let status = process.status { throw LabFailure(description: "nginx ended with \(status): \(process.log)") }
            return try !sockets("-lt", "sport", "=", ":\(port)").isEmpty
        }
        return process
    }
}
