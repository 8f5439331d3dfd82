# Two images from one file: docker build --target operator … and docker build --target instance …
# The local cluster builds the same binaries without a container engine (hack/localcluster).
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Without inlining a program is a tenth smaller, and so is what each of a tenant's many pods holds of it in memory.
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -gcflags=all=-l -o /out/ ./cmd/operator ./cmd/instance

FROM gcr.io/distroless/static:nonroot AS operator
COPY --from=build /out/operator /operator
USER 65532:65532
ENTRYPOINT ["/operator"]

FROM gcr.io/distroless/static:nonroot AS instance
COPY --from=build /out/instance /instance
USER 65532:65532
ENTRYPOINT ["/instance"]
