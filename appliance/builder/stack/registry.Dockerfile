# The stack on somebody else's image, such as heroku/heroku:24-build, which
# has its own packages and languages, or leaves them to its buildpacks.
ARG BASE
FROM ${BASE}
USER root
