# An image of a static binary and nothing else. It takes Traefik's flags as its arguments.
#
#   docker build -t moongate:0.1.0 .
#   docker build -t moongate:0.1.0-nonroot --target nonroot .

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock build.rs ./
COPY .cargo .cargo
COPY src src
COPY scripts scripts
COPY grammar grammar
COPY benches benches
# glibc is part of the binary: it runs in an image without libraries. The target is named so that
# the flag is not one of build scripts and macros too. Optimised as one piece it takes ten minutes
# on two cores and is a tenth smaller.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
    && RUSTFLAGS="-C target-feature=+crt-static" \
       CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=symbols \
       CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
       cargo build --release --locked --bin moongate --target "$target" \
    && install -D "target/$target/release/moongate" /image/usr/local/bin/moongate \
    && mkdir -p /image/tmp /image/etc/ssl/certs /image/etc/traefik \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/

FROM scratch AS files
COPY --from=build /image/ /

FROM files AS nonroot
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/moongate"]
EXPOSE 8000 8443 8080

# The last one is what is built unless another is asked for: as Traefik's, root, whose capabilities
# the pod drops.
FROM files AS root
ENTRYPOINT ["/usr/local/bin/moongate"]
EXPOSE 80 443 8080
