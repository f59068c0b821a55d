# A relay in a container:
#
#   docker build -t moa --build-arg REVISION=$(git rev-parse HEAD) .
#   docker run -d --name moa -p 127.0.0.1:7447:7447 -v moa-data:/data --stop-timeout 30 moa
#
# Settings come as MOA_* variables (`docker run --rm moa config` lists them) or as a
# file that MOA_CONFIG names. relay/docs/operating.md has more.

FROM golang:1.26-bookworm AS build
WORKDIR /src
# The Go that go.mod names, if the image's is older.
ENV GOTOOLCHAIN=auto
# The modules first: they change less often than the code.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# What `moa version`, NIP-11 and moa_build_info say; the image has no .git.
ARG REVISION=
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.revision=$REVISION" -o /out/moa ./cmd/moa \
 && install -d -m 0750 /out/data

FROM scratch
# For policies that ask other sites over HTTPS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/moa /usr/local/bin/moa
# A volume takes the owner of the folder it is put over.
COPY --from=build --chown=65532:65532 /out/data /data
USER 65532:65532
# A restore replaces the store's folder, which a mount point cannot be.
ENV MOA_LISTEN=0.0.0.0:7447 \
    MOA_DATA=/data/store
EXPOSE 7447
VOLUME /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["/usr/local/bin/moa", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/moa"]
CMD ["serve"]
