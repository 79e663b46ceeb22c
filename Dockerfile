# The command on a CPU, with the shipped weights, as a user without rights:
#
#     docker build -t landmarks .
#     docker run --rm --user "$(id -u)" -v "$PWD:/work" landmarks annotate photos --out results
#
# docs/docker.md says more.
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/landmarks
ENV PATH=/opt/landmarks/bin:$PATH
# torch's own index has builds without CUDA, which are several gigabytes smaller.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch torchvision
WORKDIR /src
COPY setup.py setup.cfg pyproject.toml README.md LICENSE ./
COPY landmarks landmarks
COPY weights weights
RUN pip install --no-cache-dir ".[remote,review,video]"

FROM python:3.11-slim-bookworm
# OpenCV's wheels load these.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/landmarks /opt/landmarks
RUN useradd --create-home --uid 1000 landmarks
USER landmarks
# Settings of matplotlib and the like go here, whoever the user is.
ENV PATH=/opt/landmarks/bin:$PATH HOME=/tmp
WORKDIR /work
ENTRYPOINT ["landmarks"]
CMD ["--help"]
